-- want: pass
for _, name in ipairs {
    'io', 'os', 'load', 'loadstring', 'loadfile', 'dofile', 'debug', 'package',
    'coroutine', 'collectgarbage', 'xpcall', 'print', 'warn', 'newproxy',
    'getfenv', 'setfenv', 'module', 'unpack', 'ffi', 'jit', 'bit32', '_G'
} do
    local v = _ENV[name]
    assert(v == nil or name == '_G', name)
end
assert(string.dump == nil)
assert(('').dump == nil)
assert(math.randomseed == nil)
