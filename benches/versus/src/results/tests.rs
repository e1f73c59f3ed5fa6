//! Rows from samples: places, medians, ratios.

use super::*;

fn rows(lines: &[&str]) -> Vec<Row> {
    let mut results = Results::default();
    for line in lines {
        results.add(&line.parse().unwrap());
    }
    results.rows()
}

#[test]
fn near_and_far_are_never_mixed() {
    let row = &rows(&[
        "0,near,A01,gochan,2,ns,100,110,120",
        "1,far,A01,gochan,2,ns,900",
        "0,near,A01,kanal,2,ns,220",
        "1,far,A01,kanal,2,ns,50",
        "1,mixed,A01,kanal,2,ns,1",
    ])[0];
    assert_eq!(row.place, Place::Near);
    assert_eq!(row.ratio(), Some(2.0));
}

#[test]
fn a_row_with_far_samples_only_compares_far_with_far() {
    let row = &rows(&[
        "0,far,A01,gochan,2,ns,100",
        "0,far,A01,kanal,2,ns,50",
        "0,near,A01,flume,2,ns,10",
    ])[0];
    assert_eq!(row.place, Place::Far);
    assert_eq!(row.ratio(), Some(0.5));
    assert_eq!(row.left_out, ["flume"]);
}

#[test]
fn a_ratio_above_one_is_gochan_ahead_whichever_way_the_unit_points() {
    let all = rows(&[
        "0,near,E06:acq_total,gochan,2,k/s,200",
        "0,near,E06:acq_total,go,2,k/s,100",
        "0,near,E06:max_wait,gochan,2,us,50",
        "0,near,E06:max_wait,go,2,us,100",
    ]);
    assert!(all.iter().all(|row| row.ratio() == Some(2.0)));
    assert!(all.iter().all(|row| row.standings[0].peer == "gochan"));
    assert!((geometric_mean(&all).unwrap() - 2.0).abs() < 1e-9);
}

#[test]
fn bytes_count_wherever_they_were_measured() {
    let row = &rows(&["0,far,D06:b,gochan,2,B,400", "0,mixed,D06:b,kanal,2,B,500"])[0];
    assert_eq!((row.place, row.ratio()), (Place::Near, Some(1.25)));
}

#[test]
fn cores_are_no_row_of_their_own() {
    let all = rows(&[
        "0,near,A01,gochan,2,ns,100",
        "0,near,A01,gochan,2,cores,1.5",
    ]);
    assert_eq!(all.len(), 1);
    assert_eq!(all[0].standings[0].cores, Some(1.5));
    assert_eq!(all[0].ratio(), None);
    assert_eq!(geometric_mean(&all), None);
}

#[test]
fn the_median_of_an_even_count_is_the_middle() {
    assert_eq!(median(vec![4.0, 1.0, 3.0, 2.0]), Some(2.5));
    assert_eq!(median(vec![]), None);
}
