package mail

// english is the catalogue that the others are measured by. A kind has
// KIND.subject and KIND.text, and may have KIND.action, the words of its link,
// and KIND.after, what stands below it. {name} is a value of the mail, {=name} a
// value that is translated by the key name.VALUE, {site} the installation.
var english = map[string]string{
	"foot": "This mail was sent by {site}, to the address that it tells about. Nobody reads answers to it.",

	"sign_up.subject": "Confirm your e-mail address",
	"sign_up.text":    "Somebody, hopefully you, wants to sign up to {site} with this address.",
	"sign_up.action":  "Confirm and choose a password",
	"sign_up.after":   "The link works once, for {hours} hours. If it was not you, do nothing: without it there is no account.",

	"known.subject": "You have an account already",
	"known.text":    "Somebody, hopefully you, wants to sign up to {site} with this address. There is an account for it already: sign in with it.",
	"known.action":  "Sign in",
	"known.after":   "If you do not know the password any more, you can ask for a new one there. If it was not you, do nothing.",

	"reset.subject": "Choose a new password",
	"reset.text":    "Somebody, hopefully you, asked for a new password at {site}.",
	"reset.action":  "Choose a new password",
	"reset.after":   "The link works once, for {hours} hours. If it was not you, do nothing: your password stays as it is.",

	"password.subject": "Your password was changed",
	"password.text":    "Your password at {site} was changed just now, and every browser that was signed in has been signed out.",
	"password.action":  "Sign in",
	"password.after":   "If it was not you, ask for a new password at once, and tell whoever runs {site}.",

	"invitation.subject": "{by} invites you to {customer}",
	"invitation.text":    "{by} invites you to work with {customer} at {site}, as {=role}.",
	"invitation.action":  "Accept and choose a password",
	"invitation.after":   "The link works once, for {days} days. If you do not know what this is about, do nothing.",

	"operator_invitation.subject": "{by} invites you to run {site}",
	"operator_invitation.text":    "{by} invites you to be an operator of {site}, as {=role}.",
	"operator_invitation.action":  "Accept and choose a password",
	"operator_invitation.after":   "The link works once, for {days} days. If you do not know what this is about, do nothing.",

	"test.subject": "A test of mail from {site}",
	"test.text":    "Mail from {site} reaches you. There is nothing to do.",

	"support.answered.subject": "Answer: {subject}",
	"support.answered.text":    "There is an answer to your message “{subject}” at {site}.",
	"support.answered.action":  "Read and answer",

	"support.asked.subject": "A customer wrote: {subject}",
	"support.asked.text":    "A customer of {site} wrote: “{subject}”.",
	"support.asked.action":  "Read and answer",

	"model.approved.subject": "{file} was approved",
	"model.approved.text":    "Your file {file} was approved. The service {service} uses it from now on.",
	"model.approved.action":  "Your models",

	"model.rejected.subject": "{file} was rejected",
	"model.rejected.text":    "Your file {file} for the service {service} was rejected. Reason: {reason}",
	"model.rejected.action":  "Your models",

	"approval.approved.subject": "Approved: {=what} {subject}",
	"approval.approved.text":    "What was asked for at {site} was approved: {=what} {subject}. It holds from now on.",

	"approval.rejected.subject": "Rejected: {=what} {subject}",
	"approval.rejected.text":    "What was asked for at {site} was rejected: {=what} {subject}. Reason: {reason}",

	"what.plan":  "the plan",
	"what.limit": "a higher limit,",
	"what.model": "the model",

	"role.owner":     "owner",
	"role.admin":     "admin",
	"role.developer": "developer",
	"role.billing":   "billing",
	"role.viewer":    "viewer",
	"role.support":   "support",
}
