-- want: end
context = context or {}
for i = 1, 100 do context[#context + 1] = ('x'):rep(100000) .. #context end
