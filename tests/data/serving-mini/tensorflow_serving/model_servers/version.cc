// Compiled by Bazel when the program is linked (linkstamp), after the header with the workspace's status.
#define STRING(text) #text
#define EXPANDED(text) STRING(text)

#ifndef BUILD_SCM_REVISION
#define BUILD_SCM_REVISION "no_git"
#endif

extern "C" const char* TF_ModelServer_Version() { return "2.19.1-rc0+dev.sha." BUILD_SCM_REVISION; }
