// As LiteRT's: the module has another name than its target in CMake.
#include <Python.h>

static struct PyModuleDef definition = {PyModuleDef_HEAD_INIT, "_pywrap_litert_interpreter_wrapper", NULL, -1, NULL};

PyMODINIT_FUNC PyInit__pywrap_litert_interpreter_wrapper(void) { return PyModule_Create(&definition); }
