-- want: pass
for _, v in ipairs { {}, print or {}, function() end, string, pairs } do
    assert(not tostring(v):find('0x'), tostring(v))
    assert(not ('%10s'):format(v):find('0x'), ('%s'):format(v))
end
