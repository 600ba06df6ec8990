/* Models of one operator each, with known answers: operators.c reads them, runs each without and with XNNPACK,
 * and judges; what runs one is operators_c.c (C API) or operators_cc.cc (C++ API). */
#ifndef TFBUILD_OPERATORS_H
#define TFBUILD_OPERATORS_H

#include <stddef.h>

#define OPERATORS_TEXT 400
#define OPERATORS_OUTPUTS 8
#define OPERATORS_DEQUANTIZE 6 /* BuiltinOperator in schema.fbs */

#ifdef __cplusplus
extern "C" {
#endif

typedef struct {
  const void* data;
  size_t size;
  const unsigned char* inputs; /* the values of all inputs, one after the other */
  size_t inputs_size;
} OperatorModel;

typedef enum {
  kValuesOther,
  kValuesFloat32,
  kValuesInt8,
  kValuesUint8,
  kValuesBool,
  kValuesInt16,
  kValuesInt32,
  kValuesInt64
} OperatorValues;

typedef struct {
  OperatorValues type;
  const void* data; /* belongs to the interpreter: valid in the call of OperatorSink only */
  size_t size;
} OperatorOutput;

typedef struct {
  int delegated;             /* nodes that a delegate runs */
  int left;                  /* nodes that it left, or -1: some, nobody knows how many; conversions of float16
                              * constants do not count beside others */
  char text[OPERATORS_TEXT]; /* the operators left, or what failed and the library's own words */
  OperatorOutput outputs[OPERATORS_OUTPUTS];
  int output_count;
} OperatorResult;

typedef void (*OperatorSink)(const OperatorResult* result, void* context);

/* Runs a model twice, as programs do, and hands what the second run gave to sink. Returns 0; else text has what
 * failed, and sink was not called. */
int operator_run(const OperatorModel* model, int xnnpack, OperatorResult* result, OperatorSink sink, void* context);

/* Appends to result->text, as far as there is room. */
void operator_say(OperatorResult* result, const char* words);

const char* operator_version(void);

#ifdef __cplusplus
}
#endif
#endif
