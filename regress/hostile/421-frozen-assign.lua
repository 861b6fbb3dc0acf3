-- want: error read-only
string.rep = nil
