// Stands in for Serving's header of this name where the server is built without TensorFlow Lite: the one call that
// Serving makes of it says so. None of TensorFlow Lite's headers is needed then.
#ifndef TENSORFLOW_SERVING_SERVABLES_TENSORFLOW_TFLITE_SESSION_H_
#define TENSORFLOW_SERVING_SERVABLES_TENSORFLOW_TFLITE_SESSION_H_

#include "tensorflow/core/lib/core/errors.h"
#include "tensorflow_serving/servables/tensorflow/serving_session.h"

namespace tensorflow {
namespace serving {

// No object of it is ever made.
class TfLiteSession : public ServingSession {
 public:
  // Whatever the release passes, and its type of a status.
  template <typename... Arguments>
  static auto Create(Arguments&&...) {
    return errors::Unimplemented("this model server was built without TensorFlow Lite (serving.without)");
  }
};

}  // namespace serving
}  // namespace tensorflow

#endif  // TENSORFLOW_SERVING_SERVABLES_TENSORFLOW_TFLITE_SESSION_H_
