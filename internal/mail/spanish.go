package mail

var spanish = map[string]string{
	"foot": "Este mensaje lo envió {site} a la dirección de la que trata. Nadie lee las respuestas.",

	"sign_up.subject": "Confirme su dirección de correo",
	"sign_up.text":    "Alguien, seguramente usted, quiere registrarse en {site} con esta dirección.",
	"sign_up.action":  "Confirmar y elegir una contraseña",
	"sign_up.after":   "El enlace funciona una vez, durante {hours} horas. Si no fue usted, no haga nada: sin él no se crea ninguna cuenta.",

	"known.subject": "Ya tiene una cuenta",
	"known.text":    "Alguien, seguramente usted, quiere registrarse en {site} con esta dirección. Ya tiene una cuenta: inicie sesión con ella.",
	"known.action":  "Iniciar sesión",
	"known.after":   "Si ya no sabe la contraseña, puede pedir una nueva allí. Si no fue usted, no haga nada.",

	"reset.subject": "Elija una contraseña nueva",
	"reset.text":    "Alguien, seguramente usted, pidió una contraseña nueva en {site}.",
	"reset.action":  "Elegir una contraseña nueva",
	"reset.after":   "El enlace funciona una vez, durante {hours} horas. Si no fue usted, no haga nada: su contraseña sigue igual.",

	"password.subject": "Su contraseña se cambió",
	"password.text":    "Su contraseña en {site} se acaba de cambiar, y se cerró la sesión en todos los navegadores.",
	"password.action":  "Iniciar sesión",
	"password.after":   "Si no fue usted, pida enseguida una contraseña nueva y avise a quienes llevan {site}.",

	"invitation.subject": "{by} le invita a {customer}",
	"invitation.text":    "{by} le invita a trabajar con {customer} en {site}, con el rol: {=role}.",
	"invitation.action":  "Aceptar y elegir una contraseña",
	"invitation.after":   "El enlace funciona una vez, durante {days} días. Si no sabe de qué se trata, no haga nada.",

	"operator_invitation.subject": "{by} le invita a gestionar {site}",
	"operator_invitation.text":    "{by} le invita a ser operador de {site}, con el rol: {=role}.",
	"operator_invitation.action":  "Aceptar y elegir una contraseña",
	"operator_invitation.after":   "El enlace funciona una vez, durante {days} días. Si no sabe de qué se trata, no haga nada.",

	"test.subject": "Prueba del correo de {site}",
	"test.text":    "El correo de {site} le llega. No hay nada que hacer.",

	"support.answered.subject": "Respuesta: {subject}",
	"support.answered.text":    "Su mensaje «{subject}» ha recibido respuesta en {site}.",
	"support.answered.action":  "Leer y responder",

	"support.asked.subject": "Un cliente ha escrito: {subject}",
	"support.asked.text":    "Un cliente de {site} ha escrito: «{subject}».",
	"support.asked.action":  "Leer y responder",

	"model.approved.subject": "{file} está aprobado",
	"model.approved.text":    "Su archivo {file} está aprobado. El servicio {service} lo usa desde ahora.",
	"model.approved.action":  "Sus modelos",

	"model.rejected.subject": "{file} está rechazado",
	"model.rejected.text":    "Su archivo {file} para el servicio {service} está rechazado. Motivo: {reason}",
	"model.rejected.action":  "Sus modelos",

	"approval.approved.subject": "Aprobado: {=what} {subject}",
	"approval.approved.text":    "Lo que se pidió en {site} está aprobado: {=what} {subject}. Vale desde ahora.",

	"approval.rejected.subject": "Rechazado: {=what} {subject}",
	"approval.rejected.text":    "Lo que se pidió en {site} está rechazado: {=what} {subject}. Motivo: {reason}",

	"what.plan":  "el plan",
	"what.limit": "un límite más alto,",
	"what.model": "el modelo",

	"role.owner":     "propietario",
	"role.admin":     "administrador",
	"role.developer": "desarrollador",
	"role.billing":   "facturación",
	"role.viewer":    "lector",
	"role.support":   "soporte",
}
