// Stands in for TFLite's schema.
#ifndef STAND_IN_SCHEMA_GENERATED_H_
#define STAND_IN_SCHEMA_GENERATED_H_

#define TFLITE_SCHEMA_VERSION 3

namespace tflite {

struct Model {
  const unsigned char* data;
  int version() const { return data[4] == 'T' && data[5] == 'F' && data[6] == 'L' ? data[7] - '0' : 0; }
};

inline const Model* GetModel(const void* data) {
  static Model model;
  model.data = static_cast<const unsigned char*>(data);
  return &model;
}

}  // namespace tflite

#endif  // STAND_IN_SCHEMA_GENERATED_H_
