// Stands in for TFLite Micro's header of this name: what generated code asks of it, and no kernels.
#ifndef STAND_IN_MICRO_MUTABLE_OP_RESOLVER_H_
#define STAND_IN_MICRO_MUTABLE_OP_RESOLVER_H_

#include "tensorflow/lite/micro/micro_op_resolver.h"

namespace tflite {

// In TFLite Micro's kernels/{add,conv,depthwise_conv,mul}.h, which its resolver includes.
inline TFLMRegistration Register_ADD_INT8() { return {}; }
inline TFLMRegistration Register_CONV_2D_INT8() { return {}; }
inline TFLMRegistration Register_DEPTHWISE_CONV_2D_INT8() { return {}; }
inline TFLMRegistration Register_MUL_INT8() { return {}; }

template <unsigned int tOpCount>
class MicroMutableOpResolver : public MicroOpResolver {
 public:
  bool is_full() const override { return count_ == tOpCount; }
  TfLiteStatus AddAdd(const TFLMRegistration& = {}) { return Count(); }
  TfLiteStatus AddConcatenation(const TFLMRegistration& = {}) { return Count(); }
  TfLiteStatus AddConv2D(const TFLMRegistration& = {}) { return Count(); }
  TfLiteStatus AddDepthwiseConv2D(const TFLMRegistration& = {}) { return Count(); }
  TfLiteStatus AddEthosU() { return Count(); }
  TfLiteStatus AddFullyConnected(const TFLMRegistration& = {}) { return Count(); }
  TfLiteStatus AddMean(const TFLMRegistration& = {}) { return Count(); }
  TfLiteStatus AddMul(const TFLMRegistration& = {}) { return Count(); }
  TfLiteStatus AddReshape() { return Count(); }
  TfLiteStatus AddResizeBilinear(const TFLMRegistration& = {}) { return Count(); }
  unsigned int count() const { return count_; }

 private:
  TfLiteStatus Count() { return count_++ < tOpCount ? kTfLiteOk : kTfLiteError; }
  unsigned int count_ = 0;
};

}  // namespace tflite

#endif  // STAND_IN_MICRO_MUTABLE_OP_RESOLVER_H_
