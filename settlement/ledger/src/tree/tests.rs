use super::*;
use proptest::prelude::*;

fn leaf(seed: u8, sum: u64) -> SumNode {
    SumNode { hash: Hash32([seed; 32]), sum }
}

fn lanes(count: usize) -> Vec<SumNode> {
    (0..count).map(|place| leaf(u8::try_from(place % 251).unwrap(), place as u64 + 1)).collect()
}

#[test]
fn one_leaf_is_its_own_root_and_none_is_padding() {
    assert_eq!(root(Level::Lanes, vec![leaf(1, 5)]), Some(leaf(1, 5)));
    assert_eq!(root(Level::Channels, vec![]), Some(SumNode::padding()));
}

#[test]
fn levels_do_not_stand_for_each_other() {
    assert_ne!(root(Level::Lanes, lanes(2)), root(Level::Channels, lanes(2)));
}

#[test]
fn a_sum_that_does_not_fit_has_no_root() {
    assert_eq!(root(Level::Lanes, vec![leaf(1, u64::MAX), leaf(2, 1)]), None);
}

#[test]
fn the_shape_follows_from_the_count() {
    let nodes = lanes(5);
    let top = root(Level::Lanes, nodes.clone()).unwrap();
    let last = prove(Level::Lanes, &nodes, 4).unwrap();
    assert_eq!(last.siblings.len(), 1, "partners of the last leaf are padding on two levels");
    assert_eq!(climb(Level::Lanes, 5, nodes[4], &last), Some(top));
    // With the padding spelled out, or as one of six leaves, the same leaf leads nowhere.
    let mut spelled = last.clone();
    spelled.siblings.insert(0, SumNode::padding());
    assert_eq!(climb(Level::Lanes, 5, nodes[4], &spelled), None);
    assert_eq!(climb(Level::Lanes, 6, nodes[4], &last), None);
    assert_eq!(climb(Level::Lanes, 4, nodes[4], &last), None);
}

#[test]
fn order_is_part_of_a_tree() {
    let lane =
        |n: u8| LaneLeaf { lane: LaneId([n; 32]), payee: Address([1; 20]), rating_group: RatingGroup(0), total: 1 };
    let expiry = UnixSeconds(9);
    let mut tree = BatchTree::default();
    assert!(tree.push(Address([2; 20]), 10, expiry, 1, vec![lane(2), lane(1)]).is_none());
    assert!(tree.push(Address([2; 20]), 10, expiry, 1, vec![]).is_none());
    assert!(tree.push(Address([2; 20]), 10, expiry, 1, vec![lane(1), lane(2)]).is_some());
    assert!(tree.push(Address([2; 20]), 10, expiry, 1, vec![lane(3)]).is_none());
    assert!(tree.push(Address([3; 20]), 10, expiry, 1, vec![lane(3)]).is_some());
    assert_eq!(tree.root().unwrap().sum, 3);
}

proptest! {
    #[test]
    fn every_leaf_proves_and_nothing_else_does(count in 1_usize..70, index: prop::sample::Index, bump in 1_u64..9) {
        let nodes = lanes(count);
        let place = index.index(count);
        let top = root(Level::Lanes, nodes.clone()).unwrap();
        prop_assert_eq!(top.sum, nodes.iter().map(|node| node.sum).sum::<u64>());
        let width = u32::try_from(count).unwrap();
        let proof = prove(Level::Lanes, &nodes, u32::try_from(place).unwrap()).unwrap();
        prop_assert_eq!(climb(Level::Lanes, width, nodes[place], &proof), Some(top));
        let dearer = SumNode { sum: nodes[place].sum + bump, ..nodes[place] };
        prop_assert_ne!(climb(Level::Lanes, width, dearer, &proof), Some(top));
        for at in 0..proof.siblings.len() {
            let mut other = proof.clone();
            other.siblings[at].sum += bump;
            prop_assert_ne!(climb(Level::Lanes, width, nodes[place], &other), Some(top));
        }
        let elsewhere = SumProof { index: proof.index ^ 1, ..proof };
        prop_assert_ne!(climb(Level::Lanes, width, nodes[place], &elsewhere), Some(top));
    }

    #[test]
    fn a_lane_proves_through_both_levels(counts in prop::collection::vec(1_u8..6, 1..9)) {
        let mut tree = BatchTree::default();
        for (device, lanes) in (1_u8..).zip(&counts) {
            let lanes = (0..*lanes)
                .map(|n| LaneLeaf {
                    lane: LaneId([n; 32]),
                    payee: Address([n; 20]),
                    rating_group: RatingGroup(u32::from(device)),
                    total: u64::from(n) + u64::from(device),
                })
                .collect();
            prop_assert!(tree.push(Address([device; 20]), 1 << 80, UnixSeconds(7), 1, lanes).is_some());
        }
        let top = tree.root().unwrap();
        let channels = u32::try_from(counts.len()).unwrap();
        for (channel, lanes) in tree.channels() {
            for lane in lanes {
                let proof = tree.prove(&channel.device, &lane.lane).unwrap();
                prop_assert!(proof.leads_to(channels, &top));
                let dearer = SumNode { sum: top.sum + 1, ..top };
                prop_assert!(!proof.leads_to(channels, &dearer));
                let mut raised = proof.clone();
                raised.lane.total += 1;
                prop_assert!(!raised.leads_to(channels, &top));
                let mut unlimited = proof;
                unlimited.channel.limit += 1;
                prop_assert!(!unlimited.leads_to(channels, &top));
            }
        }
    }
}
