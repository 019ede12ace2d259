// Stands in for TFLite Micro's header of this name.
#ifndef STAND_IN_MICRO_LOG_H_
#define STAND_IN_MICRO_LOG_H_

#include <cstdio>

#define MicroPrintf(...) (std::printf(__VA_ARGS__), std::printf("\n"))

#endif  // STAND_IN_MICRO_LOG_H_
