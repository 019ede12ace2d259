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

// As in the real one, its layout hangs on the macro.
typedef struct TfLiteTensor {
#ifdef TF_LITE_STATIC_MEMORY
  TfLitePtrUnion data;
  std::size_t bytes;
#else
  const char* name;
  TfLitePtrUnion data;
  std::size_t bytes;
#endif
} TfLiteTensor;

struct TFLMRegistration {};

#endif  // STAND_IN_COMMON_H_
