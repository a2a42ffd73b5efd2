package roster

// StillAhead is what push asks before it sends.
var StillAhead = stillAhead
