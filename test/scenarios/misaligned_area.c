/*
 * A library that defines __rseq_abi at an address that the kernel does not take:
 * 8 bytes off the alignment. Assembly, as no compiler would do it.
 */
__asm__(".pushsection .tdata, \"awT\", %progbits\n\t"
	".balign 32\n\t"
	".zero 8\n\t"
	".globl __rseq_abi\n\t"
	".type __rseq_abi, %tls_object\n\t"
	".size __rseq_abi, 32\n"
	"__rseq_abi:\n\t"
	".long 0, -1, 0, 0, 0, 0, 0, 0\n\t"
	".popsection");
