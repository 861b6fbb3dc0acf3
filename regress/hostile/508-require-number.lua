-- want: error no module
require(1)
