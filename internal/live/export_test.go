package live

// The statements, so that tests can ask how they are run.
const SinceSQL = since
