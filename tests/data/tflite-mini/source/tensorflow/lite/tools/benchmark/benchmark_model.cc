#include <cstdio>

#include "c/c_api.h"

namespace tflite {
const char* Miniature();
}

int main() { return std::printf("%s %s\n", tflite::Miniature(), TfLiteVersion()) < 0; }
