/*
 * vfork_x86_64.S - vfork() and the bare clone(2) for x86-64.
 *
 * A vfork child runs on its parent's stack and in its parent's TLS, while the
 * parent's other threads go on. The thread's struct rseq then shows a CPU on
 * which the child may no longer be, and nothing aborts the child's sections.
 * So the thread is disarmed before the system call, and armed again in the
 * parent only. This cannot be C: the child returns from this function before
 * the parent does, so nothing may be kept on the stack; registers are private.
 */
#include <sys/syscall.h>

	.text

/*
 * pid_t vfork(void);					(POSIX.1-2001)
 *
 *	rdi	return address, taken off the stack that the child will use
 *	rsi	TLS offset of pcm_rseq_held
 *	rdx	TLS offset of pcm_rseq_armed
 *	r8	the area that was armed; 0: none
 *
 * pcm_rseq_held goes up first: a signal handler in between finds it raised and
 * does not arm the thread again. The kernel keeps all of these in the parent;
 * it overwrites rax, rcx and r11.
 */
	.globl	vfork
	.type	vfork, @function
	.p2align 4
vfork:
	.cfi_startproc
	endbr64
	popq	%rdi
	.cfi_adjust_cfa_offset -8
	.cfi_register %rip, %rdi
	movq	pcm_rseq_held@gottpoff(%rip), %rsi
	movq	pcm_rseq_armed@gottpoff(%rip), %rdx
	incl	%fs:(%rsi)
	movq	%fs:(%rdx), %r8
	movq	$0, %fs:(%rdx)
	movl	$SYS_vfork, %eax
	syscall
	pushq	%rdi
	.cfi_adjust_cfa_offset 8
	.cfi_offset %rip, -8
	testq	%rax, %rax
	jz	1f			/* the child: stays disarmed */
	movq	%r8, %fs:(%rdx)
	decl	%fs:(%rsi)
	cmpq	$-4095, %rax
	jae	2f
1:	ret
2:	negl	%eax
	pushq	%rax			/* aligns the stack as well */
	.cfi_adjust_cfa_offset 8
	call	__errno_location@PLT
	popq	%rdx
	.cfi_adjust_cfa_offset -8
	movl	%edx, (%rax)
	movq	$-1, %rax
	ret
	.cfi_endproc
	.size	vfork, . - vfork

/* glibc's other name. */
	.globl	__vfork
	.set	__vfork, vfork

/*
 * long pcm_clone_raw(int (*fn)(void *), void *stack, unsigned long flags,
 *		      void *arg, pid_t *ptid, void *tls, pid_t *ctid);
 *
 * clone(2) with fn(arg) as the child's life on `stack`; returns the child's id
 * or -errno. The child starts from fn and arg on its own stack.
 */
	.globl	pcm_clone_raw
	.hidden	pcm_clone_raw
	.type	pcm_clone_raw, @function
	.p2align 4
pcm_clone_raw:
	.cfi_startproc
	endbr64
	andq	$-16, %rsi
	subq	$16, %rsi
	movq	%rdi, 0(%rsi)		/* fn */
	movq	%rcx, 8(%rsi)		/* arg */
	movq	%rdx, %rdi		/* flags */
	movq	%r8, %rdx		/* parent's tid pointer */
	movq	%r9, %r8		/* tls */
	movq	8(%rsp), %r10		/* child's tid pointer */
	movl	$SYS_clone, %eax
	syscall
	testq	%rax, %rax
	jz	3f
	ret
3:	.cfi_undefined %rip		/* the outermost frame */
	xorl	%ebp, %ebp
	popq	%rax
	popq	%rdi
	call	*%rax
	movl	%eax, %edi
	movl	$SYS_exit, %eax
	syscall
	hlt
	.cfi_endproc
	.size	pcm_clone_raw, . - pcm_clone_raw

	.section .note.GNU-stack, "", @progbits
