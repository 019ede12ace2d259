// Stands in for TFLite Micro's header of this name.
#ifndef STAND_IN_MICRO_OP_RESOLVER_H_
#define STAND_IN_MICRO_OP_RESOLVER_H_

#include "tensorflow/lite/c/common.h"

namespace tflite {

class MicroOpResolver {
 public:
  virtual ~MicroOpResolver() {}
  virtual bool is_full() const = 0;  // the real one finds operators instead
};

}  // namespace tflite

#endif  // STAND_IN_MICRO_OP_RESOLVER_H_
