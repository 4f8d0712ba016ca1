"""One request on one resource: what every verb needs to know, and how every verb answers."""

from msgspec import Struct, field

from fakekube.api import negotiation, tables
from fakekube.api.access.authentication import Authentication
from fakekube.api.access.authorizer import AlwaysAllow, Authorizer
from fakekube.api.admission.chain import Chain
from fakekube.api.negotiation import Representation
from fakekube.api.options import Query, WriteOptions, first, parse_query, write_options
from fakekube.api.registry import codec
from fakekube.api.registry.catalog import Catalog
from fakekube.api.registry.registry import Registry, WriteContext, Written
from fakekube.api.registry.strategy import ServedResource
from fakekube.api.request_info import RequestInfo
from fakekube.api.services import Services
from fakekube.api.warning_headers import warning_headers
from fakekube.machinery.errors import BadRequest, NotAcceptable
from fakekube.machinery.wire import Object, Request, Response, User
from fakekube.store.interface import Entry

ANYBODY = User("system:anonymous", ("system:unauthenticated",))


_NOBODY_KNOWN = Authentication()


class Call(Struct):
    """The request, the resource it is about, and the parts of the server that serve it."""

    request: Request
    info: RequestInfo
    resource: ServedResource
    registry: Registry
    admission: Chain
    catalog: Catalog
    authorizer: Authorizer = field(default_factory=AlwaysAllow)
    services: Services = field(default_factory=Services)
    warnings: list[str] = field(default_factory=list)
    authentication: Authentication = _NOBODY_KNOWN

    @property
    def query(self) -> Query:
        return parse_query(self.request.query)

    @property
    def user(self) -> User:
        return self.request.user or ANYBODY

    def options(self, kind: str) -> WriteOptions:
        return write_options(kind, self.query, self.request.headers.get("user-agent") or "")

    def context(self, options: WriteOptions, *, subresource: str = "") -> WriteContext:
        return WriteContext(options.manager, self.warnings, dry_run=options.dry_run, subresource=subresource)

    def representation(self, *, watch: bool = False) -> Representation:
        accept = self.request.headers.get("accept") or ""
        if not accept:
            return negotiation.PLAIN
        return negotiation.representation(
            accept, collection=not self.info.name, watch=watch, custom=self.resource.custom
        )

    def respond(self, entry: Entry, status: int = 200) -> Response:
        """One object in the representation the client asked for."""
        chosen = self.representation()
        if chosen is negotiation.PLAIN and self.request.shares:
            return self.finish(Response(status, obj=codec.shared(self.resource, entry, entry.modified)))
        if chosen is negotiation.PLAIN and not negotiation.pretty(self.request):
            return self.finish(Response(status, codec.serve(self.resource, entry) + b"\n"))
        return self.show(codec.decode(self.resource, entry), status)

    def show(self, obj: Object, status: int = 200) -> Response:
        """As `respond`, for an object at hand."""
        chosen = self.representation()
        if chosen.convert == "Table":
            body = self.table([obj], chosen, {"resourceVersion": obj["metadata"].get("resourceVersion", "")})
        elif chosen.convert == "PartialObjectMetadata":
            body = tables.partial_metadata(obj, version=chosen.version)
        elif chosen.convert:
            kind = f"{self.resource.group or 'core'}.{self.resource.kind}"
            raise NotAcceptable(
                f"you requested {chosen.convert}, but the requested object is not a list (*{kind})"
            )
        else:
            body = obj
        pretty = negotiation.pretty(self.request)
        return self.finish(negotiation.render(body, chosen.media, pretty=pretty, status=status))

    def table(self, objects: list[Object], chosen: Representation, meta: Object) -> Object:
        include = first(self.query, "includeObject", "Metadata") or "Metadata"
        if include not in ("None", "Metadata", "Object"):
            raise BadRequest(
                f'Unable to convert to Table as requested: includeObject: Invalid value: "{include}": must be '
                "'Metadata', 'Object', 'None', or empty"
            )
        return tables.to_table(
            self.resource,
            objects,
            now=self.registry.clock.now(),
            include_object=include,
            list_meta=meta,
            version=chosen.version,
        )

    def written(self, written: Written, status: int = 200, *, dry_run: bool = False) -> Response:
        """What a create, update or patch answers."""
        if dry_run and written.created:
            obj = codec.decode(self.resource, written.entry)
            obj["metadata"].pop("resourceVersion", None)
            return self.show(obj, 201)
        return self.respond(written.entry, 201 if written.created else status)

    def finish(self, response: Response) -> Response:
        """Add the warnings collected on the way."""
        response.headers += self.warned()
        return response

    def warned(self) -> list[tuple[str, str]]:
        """The headers that warn, also of a refusal."""
        if not self.warnings and not self.resource.deprecation:
            return []
        return warning_headers([self.resource.deprecation, *self.warnings])
