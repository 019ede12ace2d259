// Stands in for TFLite Micro's header of this name: five ticks pass from one look at the clock to the next.
#ifndef STAND_IN_MICRO_TIME_H_
#define STAND_IN_MICRO_TIME_H_

#include <cstdint>

#ifndef STAND_IN_RATE
#define STAND_IN_RATE 1000
#endif

namespace tflite {

inline std::uint32_t ticks_per_second() { return STAND_IN_RATE; }

inline std::uint32_t GetCurrentTimeTicks() {
  static std::uint32_t ticks = 0;
  return ticks += 5;
}

}  // namespace tflite

#endif  // STAND_IN_MICRO_TIME_H_
