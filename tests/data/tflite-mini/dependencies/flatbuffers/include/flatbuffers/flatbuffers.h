#pragma once
#define FLATBUFFERS_WORD "flatbuffers-locked"
