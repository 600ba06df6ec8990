// What LiteRT takes of TensorFlow, in miniature.
#define TENSORFLOW_WORD "tensorflow-file"
