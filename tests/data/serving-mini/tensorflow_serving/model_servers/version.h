#ifndef TENSORFLOW_SERVING_MODEL_SERVERS_VERSION_H_
#define TENSORFLOW_SERVING_MODEL_SERVERS_VERSION_H_

// Upstream leaves the suffix of the last release candidate in at release tags; so does this.
#define TF_MODELSERVER_VERSION "2.19.1-rc0"
#define TF_LIBRARY_VERSION "2.19.1"

// "VERSION+dev.sha.REVISION"; compiled at link time, with the values of the workspace status command.
extern "C" const char* TF_ModelServer_Version();

#endif  // TENSORFLOW_SERVING_MODEL_SERVERS_VERSION_H_
