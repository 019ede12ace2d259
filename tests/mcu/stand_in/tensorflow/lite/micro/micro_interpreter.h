// Stands in for TFLite Micro's interpreter: given the input of STAND_IN_NAME's test vector it gives the output of it, with one
// byte changed where STAND_IN_FLIP is defined, or nothing at all where the arena is smaller than STAND_IN_ARENA.
#ifndef STAND_IN_MICRO_INTERPRETER_H_
#define STAND_IN_MICRO_INTERPRETER_H_

#include <cstdint>
#include <cstring>
#include <vector>

#include "tensorflow/lite/micro/micro_mutable_op_resolver.h"
#include "tensorflow/lite/schema/schema_generated.h"

#include STAND_IN_VECTOR

#ifndef STAND_IN_ARENA
#define STAND_IN_ARENA 1
#endif

namespace tflite {

class MicroInterpreter {
 public:
  template <unsigned int tOpCount>
  MicroInterpreter(const Model*, const MicroMutableOpResolver<tOpCount>& resolver, std::uint8_t*, std::size_t size)
      : ready_(resolver.count() == tOpCount && size >= STAND_IN_ARENA),
        in_(STAND_IN_NAME::kTestInputs[0].size),
        out_(STAND_IN_NAME::kTestOutputs[0].size),
        input_{in_.size(), {in_.data()}},
        output_{out_.size(), {out_.data()}} {}

  TfLiteStatus AllocateTensors() { return ready_ ? kTfLiteOk : kTfLiteError; }
  TfLiteTensor* input(std::size_t) { return &input_; }
  TfLiteTensor* output(std::size_t) { return &output_; }
  std::size_t arena_used_bytes() const { return STAND_IN_ARENA; }

  TfLiteStatus Invoke() {
    if (std::memcmp(in_.data(), STAND_IN_NAME::kTestInputs[0].data, in_.size()) != 0) return kTfLiteError;
    std::memcpy(out_.data(), STAND_IN_NAME::kTestOutputs[0].data, out_.size());
#ifdef STAND_IN_FLIP
    out_[out_.size() / 2] ^= 1;
#endif
    return kTfLiteOk;
  }

 private:
  bool ready_;
  std::vector<char> in_, out_;
  TfLiteTensor input_, output_;
};

}  // namespace tflite

#endif  // STAND_IN_MICRO_INTERPRETER_H_
