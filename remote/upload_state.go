package remote

type dialectState struct{}
type uploadHosts struct{ slot slot }
