// Functions that no compiler has described, or that no compiler would describe like this.
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
// The frame is found from a register that only exact unwinding knows.
        .globl  asm_with_other_base
        .type   asm_with_other_base, @function
asm_with_other_base:
        .cfi_startproc
        push    %rbx
        .cfi_def_cfa_offset 16
        .cfi_offset %rbx, -16
        mov     %rsp, %rbx
        .cfi_def_cfa_register %rbx
        and     $-64, %rsp
        mov     %rdi, %rax
        mov     %rsi, %rdi
        call    *%rax
        mov     %rbx, %rsp
        .cfi_def_cfa_register %rsp
        pop     %rbx
        .cfi_def_cfa_offset 8
        ret
        .cfi_endproc
        .size   asm_with_other_base, . - asm_with_other_base

// As in the stub of a procedure linkage table: CFA = rsp + 16, by an expression.
        .globl  asm_with_expression
        .type   asm_with_expression, @function
asm_with_expression:
        .cfi_startproc
        push    %rbx
        .cfi_escape 0x0f, 3, 0x77, 16, 0x96
        mov     %rdi, %rax
        mov     %rsi, %rdi
        call    *%rax
        pop     %rbx
        .cfi_def_cfa %rsp, 8
        ret
        .cfi_endproc
        .size   asm_with_expression, . - asm_with_expression

// Calls a function on another stack, and finds its own frame from the frame pointer.
        .globl  asm_on_stack
        .type   asm_on_stack, @function
asm_on_stack:
        .cfi_startproc
        push    %rbp
        .cfi_def_cfa_offset 16
        .cfi_offset %rbp, -16
        mov     %rsp, %rbp
        .cfi_def_cfa_register %rbp
        mov     %rsi, %rsp
        call    *%rdi
        mov     %rbp, %rsp
        pop     %rbp
        .cfi_def_cfa %rsp, 8
        ret
        .cfi_endproc
        .size   asm_on_stack, . - asm_on_stack
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
