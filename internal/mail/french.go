package mail

var french = map[string]string{
	"foot": "Ce message a été envoyé par {site} à l’adresse qu’il concerne. Personne ne lit les réponses.",

	"sign_up.subject": "Confirmez votre adresse e-mail",
	"sign_up.text":    "Quelqu’un, sans doute vous, veut s’inscrire sur {site} avec cette adresse.",
	"sign_up.action":  "Confirmer et choisir un mot de passe",
	"sign_up.after":   "Le lien fonctionne une fois, pendant {hours} heures. Si ce n’était pas vous, ne faites rien : sans lui, aucun compte n’est créé.",

	"known.subject": "Vous avez déjà un compte",
	"known.text":    "Quelqu’un, sans doute vous, veut s’inscrire sur {site} avec cette adresse. Elle a déjà un compte : connectez-vous avec lui.",
	"known.action":  "Se connecter",
	"known.after":   "Si vous ne connaissez plus le mot de passe, vous pouvez en demander un nouveau à cet endroit. Si ce n’était pas vous, ne faites rien.",

	"reset.subject": "Choisissez un nouveau mot de passe",
	"reset.text":    "Quelqu’un, sans doute vous, a demandé un nouveau mot de passe pour {site}.",
	"reset.action":  "Choisir un nouveau mot de passe",
	"reset.after":   "Le lien fonctionne une fois, pendant {hours} heures. Si ce n’était pas vous, ne faites rien : votre mot de passe reste le même.",

	"password.subject": "Votre mot de passe a été changé",
	"password.text":    "Votre mot de passe pour {site} vient d’être changé, et chaque navigateur qui était connecté a été déconnecté.",
	"password.action":  "Se connecter",
	"password.after":   "Si ce n’était pas vous, demandez tout de suite un nouveau mot de passe et prévenez les responsables de {site}.",

	"invitation.subject": "{by} vous invite chez {customer}",
	"invitation.text":    "{by} vous invite à travailler avec {customer} sur {site}, avec le rôle : {=role}.",
	"invitation.action":  "Accepter et choisir un mot de passe",
	"invitation.after":   "Le lien fonctionne une fois, pendant {days} jours. Si vous ne savez pas de quoi il s’agit, ne faites rien.",

	"operator_invitation.subject": "{by} vous invite à gérer {site}",
	"operator_invitation.text":    "{by} vous invite à devenir opérateur de {site}, avec le rôle : {=role}.",
	"operator_invitation.action":  "Accepter et choisir un mot de passe",
	"operator_invitation.after":   "Le lien fonctionne une fois, pendant {days} jours. Si vous ne savez pas de quoi il s’agit, ne faites rien.",

	"test.subject": "Essai du courrier de {site}",
	"test.text":    "Le courrier de {site} vous parvient. Il n’y a rien à faire.",

	"support.answered.subject": "Réponse : {subject}",
	"support.answered.text":    "Votre message « {subject} » a reçu une réponse sur {site}.",
	"support.answered.action":  "Lire et répondre",

	"support.asked.subject": "Un client a écrit : {subject}",
	"support.asked.text":    "Un client de {site} a écrit : « {subject} ».",
	"support.asked.action":  "Lire et répondre",

	"model.approved.subject": "{file} est approuvé",
	"model.approved.text":    "Votre fichier {file} est approuvé. Le service {service} l’utilise désormais.",
	"model.approved.action":  "Vos modèles",

	"model.rejected.subject": "{file} est refusé",
	"model.rejected.text":    "Votre fichier {file} pour le service {service} est refusé. Motif : {reason}",
	"model.rejected.action":  "Vos modèles",

	"approval.approved.subject": "Approuvé : {=what} {subject}",
	"approval.approved.text":    "Ce qui a été demandé chez {site} est approuvé : {=what} {subject}. Cela vaut dès maintenant.",

	"approval.rejected.subject": "Refusé : {=what} {subject}",
	"approval.rejected.text":    "Ce qui a été demandé chez {site} est refusé : {=what} {subject}. Motif : {reason}",

	"what.plan":  "le forfait",
	"what.limit": "une limite plus haute,",
	"what.model": "le modèle",

	"role.owner":     "propriétaire",
	"role.admin":     "administrateur",
	"role.developer": "développeur",
	"role.billing":   "facturation",
	"role.viewer":    "lecteur",
	"role.support":   "assistance",
}
