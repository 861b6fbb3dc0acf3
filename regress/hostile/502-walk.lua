-- want: pass
local seen = {}
local function walk(t, path)
    if seen[t] then return end
    seen[t] = true
    for k, v in pairs(t) do
        local name = path .. '.' .. tostring(k)
        assert(not tostring(k):find('^dump$'), name)
        assert(not tostring(k):find('^load'), name)
        assert(not tostring(k):find('^__'), name)
        assert(type(v) ~= 'userdata' and type(v) ~= 'thread', name)
        if type(v) == 'table' then walk(v, name) end
    end
end
for _, t in ipairs { string, table, math, utf8, re } do walk(t, 'g') end
walk(_ENV, '_ENV')
