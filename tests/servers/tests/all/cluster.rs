use idem_test_servers::RedisCluster;

use crate::support::eventually;

#[test]
fn a_replica_takes_over_and_the_old_master_comes_back_as_its_replica() {
    let cluster = RedisCluster::start();
    let key = cluster.key_of_first_master("k");
    assert_eq!(cluster.first_master().cli(&["SET", &key, "v"]), "OK", "it is that node's");
    eventually("the replica has it", || cluster.replica().cli(&["DBSIZE"]) == "1");
    for node in cluster.nodes() {
        assert_eq!(node.cli(&["-c", "GET", &key]), "v");
    }
    cluster.kill_first_master();
    cluster.wait_for_failover();
    assert_eq!(cluster.replica().cli(&["GET", &key]), "v");
    assert_eq!(cluster.nodes()[1].cli(&["-c", "SET", &key, "w"]), "OK");
    cluster.first_master().restart();
    cluster.wait_until_whole();
    assert!(cluster.first_master().cli(&["ROLE"]).starts_with("slave"));
    assert_eq!(cluster.first_master().cli(&["-c", "GET", &key]), "w");
    assert_eq!(cluster.urls().len(), 4);
}
