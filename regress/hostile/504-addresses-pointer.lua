-- want: pass
assert(not pcall(string.format, '%p', {}) or ('%p'):format({}) == '(null)')
