-- want: error assign
string = {}
