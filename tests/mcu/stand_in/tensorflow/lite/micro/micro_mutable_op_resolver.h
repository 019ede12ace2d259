// Stands in for TFLite Micro's header of this name: what generated code asks of it, and no kernels.
#ifndef STAND_IN_MICRO_MUTABLE_OP_RESOLVER_H_
#define STAND_IN_MICRO_MUTABLE_OP_RESOLVER_H_

#include <cstddef>

enum TfLiteStatus { kTfLiteOk = 0, kTfLiteError = 1 };

struct TfLiteTensor {
  std::size_t bytes;
  union {
    char* raw;
  } data;
};

namespace tflite {

template <unsigned int tOpCount>
class MicroMutableOpResolver {
 public:
  TfLiteStatus AddAdd() { return Count(); }
  TfLiteStatus AddConcatenation() { return Count(); }
  TfLiteStatus AddConv2D() { return Count(); }
  TfLiteStatus AddDepthwiseConv2D() { return Count(); }
  TfLiteStatus AddMean() { return Count(); }
  TfLiteStatus AddMul() { return Count(); }
  TfLiteStatus AddResizeBilinear() { return Count(); }
  unsigned int count() const { return count_; }

 private:
  TfLiteStatus Count() { return count_++ < tOpCount ? kTfLiteOk : kTfLiteError; }
  unsigned int count_ = 0;
};

}  // namespace tflite

#endif  // STAND_IN_MICRO_MUTABLE_OP_RESOLVER_H_
