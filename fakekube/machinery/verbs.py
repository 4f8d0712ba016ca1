"""What HTTP methods ask for of resources, in the API's verbs.

Origin: k8s: staging/src/k8s.io/apiserver/pkg/endpoints/request/requestinfo.go
"""

VERBS = {
    "POST": "create",
    "GET": "get",
    "HEAD": "get",
    "PUT": "update",
    "PATCH": "patch",
    "DELETE": "delete",
}
OF_MANY = {"get": "list", "delete": "deletecollection"}  # where no name is given
