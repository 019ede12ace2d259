// Stands in for TFLite's header of this name, as far as generated code looks into its types.
#ifndef STAND_IN_COMMON_H_
#define STAND_IN_COMMON_H_

#include <cstddef>
#include <cstdint>

typedef enum TfLiteStatus { kTfLiteOk = 0, kTfLiteError = 1 } TfLiteStatus;

typedef union TfLitePtrUnion {
  std::int32_t* i32;
  char* raw;
  std::uint8_t* uint8;
  std::int8_t* int8;
  void* data;
} TfLitePtrUnion;

#ifndef TF_LITE_STATIC_MEMORY
#error "TFLite Micro's library has TF_LITE_STATIC_MEMORY, and so does what is compiled with its headers"
#endif
typedef struct TfLiteTensor {
  TfLitePtrUnion data;
  std::size_t bytes;
} TfLiteTensor;

struct TFLMRegistration {};

#endif  // STAND_IN_COMMON_H_
