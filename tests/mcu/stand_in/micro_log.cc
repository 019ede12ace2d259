// Stands in for what TFLite Micro's library has of micro_log.h: lines end in CRLF, and of one 255 characters come out, as was so
// in older versions.
#include "tensorflow/lite/micro/micro_log.h"

#include <cstdio>

void VMicroPrintf(const char* format, va_list args) {
  char line[256];
  std::vsnprintf(line, sizeof(line), format, args);
  std::printf("%s\r\n", line);
}

void MicroPrintf(const char* format, ...) {
  va_list args;
  va_start(args, format);
  VMicroPrintf(format, args);
  va_end(args);
}
