// Functions that no compiler has described.
        .text
#if defined(__x86_64__)
        .globl  asm_without_cfi
        .type   asm_without_cfi, @function
asm_without_cfi:
        push    %rbx
        mov     %rdi, %rax
        mov     %rsi, %rdi
        call    *%rax
        pop     %rbx
        ret
        .size   asm_without_cfi, . - asm_without_cfi

        .globl  asm_with_frame_pointer
        .type   asm_with_frame_pointer, @function
asm_with_frame_pointer:
        push    %rbp
        mov     %rsp, %rbp
        mov     %rdi, %rax
        mov     %rsi, %rdi
        call    *%rax
        pop     %rbp
        ret
        .size   asm_with_frame_pointer, . - asm_with_frame_pointer
#elif defined(__aarch64__)
        .globl  asm_without_cfi
        .type   asm_without_cfi, %function
asm_without_cfi:
        str     x30, [sp, #-16]!
        mov     x2, x0
        mov     x0, x1
        blr     x2
        ldr     x30, [sp], #16
        ret

        .globl  asm_with_frame_pointer
        .type   asm_with_frame_pointer, %function
asm_with_frame_pointer:
        stp     x29, x30, [sp, #-16]!
        mov     x29, sp
        mov     x2, x0
        mov     x0, x1
        blr     x2
        ldp     x29, x30, [sp], #16
        ret
#endif
        .section .note.GNU-stack,"",%progbits
