-- want: pass
leak = (leak or 0) + 1
assert(leak == 1)
