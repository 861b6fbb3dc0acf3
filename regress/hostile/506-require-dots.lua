-- want: error no module
require('../../../tmp/x')
