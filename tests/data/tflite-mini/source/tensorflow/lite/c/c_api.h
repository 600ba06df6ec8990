#pragma once
extern "C" const char* TfLiteVersion();
