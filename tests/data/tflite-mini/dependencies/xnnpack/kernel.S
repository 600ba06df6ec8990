.data
.globl xnnpack_kernel
xnnpack_kernel: .asciz "xnnpack-assembly"
.section .note.GNU-stack,"",%progbits
