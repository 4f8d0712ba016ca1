"""A CertificateSigningRequest says who made it: the server writes that, whatever the request says.

Upstream the kind's strategy does so, which knows the user there; here admission does.

Origin: k8s: pkg/registry/certificates/certificates/strategy.go (PrepareForCreate)
"""

from fakekube.api.admission.attributes import CREATE, Attributes
from fakekube.api.admission.plugins.concerned import Concern


class Requester(Concern):
    """username, uid, groups and extra of a new request."""

    concerns = frozenset({("certificates.k8s.io", "certificatesigningrequests")})

    async def mutate(self, attributes: Attributes) -> None:
        request, user = attributes.obj, attributes.user
        if attributes.operation != CREATE or attributes.subresource or request is None:
            return
        said = {
            "username": user.name,
            "uid": user.uid,
            "groups": list(user.groups),
            "extra": {key: list(values) for key, values in user.extra.items()},
        }
        kept = {member: value for member, value in request["spec"].items() if member not in said}
        request["spec"] = kept | {member: value for member, value in said.items() if value}
