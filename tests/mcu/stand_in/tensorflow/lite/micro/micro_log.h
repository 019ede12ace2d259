// Stands in for TFLite Micro's header of this name.
#ifndef STAND_IN_MICRO_LOG_H_
#define STAND_IN_MICRO_LOG_H_

#include <cstdarg>

void MicroPrintf(const char* format, ...);
void VMicroPrintf(const char* format, va_list args);

#endif  // STAND_IN_MICRO_LOG_H_
