package api

// operations are all there are: each adds itself with register.
var operations = []func(*API){
	addShowToken,
	addSendEvents,
	addShowUsage,
	addExportUsage,
	addWatchUsage,
	addShowLatency,
}
