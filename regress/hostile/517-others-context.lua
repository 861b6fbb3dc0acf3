-- want: pass
context = { secret = 1 }
assert(context.secret == 1)
