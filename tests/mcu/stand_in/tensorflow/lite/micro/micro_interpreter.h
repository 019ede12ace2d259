// Stands in for TFLite Micro's interpreter: given the input of STAND_IN_NAME's test vector it gives the output of it, with bytes
// (STAND_IN_BYTES of them, else one) changed by STAND_IN_FLIP where that is defined, or nothing at all where the arena is smaller than STAND_IN_ARENA. For another
// input it asks, where STAND_IN_ASKS is defined, the command in the environment's STAND_IN_COMMAND, in files `in` and `out`.
#ifndef STAND_IN_MICRO_INTERPRETER_H_
#define STAND_IN_MICRO_INTERPRETER_H_

#include <cstddef>
#include <cstdint>
#include <cstring>
#include <vector>

#include "tensorflow/lite/c/common.h"
#include "tensorflow/lite/micro/micro_op_resolver.h"
#include "tensorflow/lite/schema/schema_generated.h"

#include STAND_IN_VECTOR

#ifdef STAND_IN_ASKS
#include <cstdlib>
#include <fstream>
#endif

#ifndef STAND_IN_BYTES
#define STAND_IN_BYTES 1
#endif
#ifndef STAND_IN_ARENA
#define STAND_IN_ARENA 1
#endif

namespace tflite {

class MicroResourceVariables;
class MicroProfilerInterface;

class MicroInterpreter {
 public:
  MicroInterpreter(const Model*, const MicroOpResolver& op_resolver, uint8_t*, size_t tensor_arena_size,
                   MicroResourceVariables* = nullptr, MicroProfilerInterface* = nullptr, bool = false)
      : op_resolver_(op_resolver),
        is_large_(tensor_arena_size >= STAND_IN_ARENA),
        in_(STAND_IN_NAME::kTestInputs[0].size),
        out_(STAND_IN_NAME::kTestOutputs[0].size) {
    input_.bytes = in_.size();
    input_.data.raw = in_.data();
    output_.bytes = out_.size();
    output_.data.raw = out_.data();
  }

  TfLiteStatus AllocateTensors() { return is_large_ && op_resolver_.is_full() ? kTfLiteOk : kTfLiteError; }
  TfLiteTensor* input(size_t) { return &input_; }
  TfLiteTensor* output(size_t) { return &output_; }
  size_t arena_used_bytes() const { return STAND_IN_ARENA; }

  TfLiteStatus Invoke() {
    if (std::memcmp(in_.data(), STAND_IN_NAME::kTestInputs[0].data, in_.size()) != 0) return Ask();
    std::memcpy(out_.data(), STAND_IN_NAME::kTestOutputs[0].data, out_.size());
#ifdef STAND_IN_FLIP
    for (size_t i = 0; i < STAND_IN_BYTES; ++i) out_[out_.size() / 2 + i] ^= STAND_IN_FLIP;
#endif
    return kTfLiteOk;
  }

 private:
  TfLiteStatus Ask() {
#ifdef STAND_IN_ASKS
    std::ofstream("in", std::ios::binary).write(in_.data(), static_cast<std::streamsize>(in_.size()));
    if (std::system(std::getenv("STAND_IN_COMMAND")) != 0) return kTfLiteError;
    std::ifstream("out", std::ios::binary).read(out_.data(), static_cast<std::streamsize>(out_.size()));
    return kTfLiteOk;
#else
    return kTfLiteError;
#endif
  }

  const MicroOpResolver& op_resolver_;
  bool is_large_;
  std::vector<char> in_, out_;
  TfLiteTensor input_, output_;
};

}  // namespace tflite

#endif  // STAND_IN_MICRO_INTERPRETER_H_
