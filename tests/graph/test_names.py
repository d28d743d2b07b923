"""Type token, name and parent of everything: the contract of upgrades. A change here needs an alias."""

from hdinfra.testing import Graph

SHAPE = """
hdinfra:index:Cluster a < local
hdinfra:index:Cluster b < local
hdinfra:index:Lab lab < local
hdinfra:index:Place east < local
hdinfra:index:Place west < local
hdinfra:index:ProxyEdge edge < stack
hdinfra:index:SharedInstance web < stack
hdinfra:index:Zone local < stack
hdlocal:index:Image a-waf-image < a
hdlocal:index:Image b-waf-image < b
hdlocal:index:Image east-load-balancer-image < east
hdlocal:index:Image lab-lab-origin-image < lab
hdlocal:index:Image west-load-balancer-image < west
hdlocal:index:Machine a-web-1 < web
hdlocal:index:Machine b-web-1 < web
hdlocal:index:Machine east-edge < edge
hdlocal:index:Machine lab-acme-shop < lab
hdlocal:index:Machine lab-globex-blog < lab
hdlocal:index:Machine west-edge < edge
hdlocal:index:Network a-network < a
hdlocal:index:Network b-network < b
hdlocal:index:Network wan < local
hdlocal:index:Policy a-web-1-policy < web
hdlocal:index:Policy b-web-1-policy < web
hdlocal:index:Policy east-edge-policy < edge
hdlocal:index:Policy lab-acme-shop-policy < lab
hdlocal:index:Policy lab-globex-blog-policy < lab
hdlocal:index:Policy west-edge-policy < edge
pulumi:providers:hdlocal a-provider < a
pulumi:providers:hdlocal b-provider < b
pulumi:providers:hdlocal east-provider < east
pulumi:providers:hdlocal lab-provider < lab
pulumi:providers:hdlocal wan-provider < local
pulumi:providers:hdlocal west-provider < west
"""


def test_names_are_kept(local_zone: Graph) -> None:
    found = "\n".join(f"{type_} {name} < {parent or 'stack'}" for type_, name, parent in local_zone.shape())
    assert found == SHAPE.strip()
