-- want: pass
assert(('a\0b'):find('%z') == 2)
assert(('a\0b'):find('\0b') == 2)
assert(('a\0b'):find('b', 1, true) == 3)
