# Not in Debian. No file of the TFLite runtime in 2.14 includes it; upstream links it for its headers only,
# and Debian's own package removes it (debian/patches/disable-ml_dtypes.patch).
if(NOT TARGET ml_dtypes)
  add_library(ml_dtypes INTERFACE IMPORTED GLOBAL)
endif()
set(ml_dtypes_FOUND TRUE)
