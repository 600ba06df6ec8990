#define EIGEN_WORD "eigen-as-published"
