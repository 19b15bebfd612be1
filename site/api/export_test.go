package api

// EditV1 is what a batch edit may say.
type EditV1 = editV1
