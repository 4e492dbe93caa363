package api

// operations are all there are: each adds itself with register.
var operations = []func(*API){
	addShowToken,
	addSendEvents,
	addShowUsage,
	addExportUsage,
	addWatchUsage,
	addShowLatency,

	addListCustomers,
	addCreateCustomer,
	addShowCustomer,
	addRenameCustomer,
	addSetPlan,
	addSuspendCustomer,
	addResumeCustomer,
	addExportCustomer,
	addDeleteCustomer,
	addSetOverride,
	addRemoveOverride,

	addListKeys,
	addCreateKey,
	addShowKey,
	addRollKey,
	addRevokeKey,

	addListMembers,
	addShowMember,
	addSetRole,
	addDisableMember,
	addEnableMember,
	addRemoveMember,
	addListInvitations,
	addInvite,
	addReinvite,
	addRevokeInvitation,

	addListApprovals,
	addAskPlan,
	addAskLimit,
	addShowApproval,
	addApprove,
	addReject,
	addWithdraw,

	addListAudit,

	addListModels,
	addListAllModels,
	addShowModel,
	addApproveModel,
	addRejectModel,
	addDeleteModel,

	addListThreads,
	addOpenThread,
	addShowThread,
	addReply,
	addCloseThread,
}
