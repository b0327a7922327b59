// SPDX-License-Identifier: Apache-2.0
// The two example questions. Their pictures are drawn by tests/oracle/draw_images.py.

export const examples = [
  {
    question: "How many shapes are there?",
    picture: "data:image/png;base64," +
      "iVBORw0KGgoAAAANSUhEUgAAAIAAAACACAIAAABMXPacAAACf0lEQVR42u3du1bjQBBF0XEvQzYkw/9/oUhw5kkmcGjGllrdXdXW" +
      "vilILO6pU7L8gNPyff0lcSkqAAAAAQAAAQAAAQAAAQAAAQAAAQAAAQAA6ZtzqxP9+Xj/35e+vOjWD8CD3u+/B4mWANZU/+MhMDS4" +
      "BlS03+TYDPn8/R4MYH+DszOIBNCqu0kZ3Ma/oQQlsDUebAPQo6+5GLTd/tsA9Gtq6l00CEDvjo68izwVEbl/VgEYM54zStAECQMi" +
      "xx+A9NeAkZsh7RZ6MP77zWBAcM6H/c1brfX151kuVwY8qWP8jzsfWf9bKf0e4awh7RrQV4WnJz8D0EmFlVwZ0EWF9acCoD2DTSc5" +
      "Pf2g9rD7o1Qv1tetowp+DGhWZZ09AASnJNkM2d4sVLGC6rYWA9IbMGA8j/xeuRLeUcL2q+/IKg4ssU1NN/vL5dr2qYsS2NeM7TfH" +
      "UKJam6v9HxtvwqCEdJe5/fs9/qDoezBbLwNlfIMTzf7KVbNHhbKnx61VVhwyy7MR1QxOrf5q4mt8Ruy2QPZM9NYzNHtB5mVupnZe" +
      "WpfLddNl4OTvhs5xJywAACAAACAAACAAACAAACAAACAAACAAfH68ASBHBXAb/0klYAAA7bb/jBIwAICmD36mk4ABALR+7D+XBAwA" +
      "oMOt70QSMACA1uM/lwQMAKDD+E8kAQMA6DP+s0jAAAA6j3NyCRgAQP9BziwBAwAYMsJpJWAAAKOGN6cEDABg4NgmlIABAIwd2GwS" +
      "MACA4aOaSgIGABAxpHkkYAAAQeOZRAIGABA3mBkkYAAAoSMZLgEDGBA9jLESJPpXhsv3XwYIAAAIAAAIAAAIAAAIAAAIAAAIAC+a" +
      "f/kozYquk8EAAAAAAElFTkSuQmCC",
  },
  {
    question: "Is there a star?",
    picture: "data:image/png;base64," +
      "iVBORw0KGgoAAAANSUhEUgAAAHgAAAB4CAIAAAC2BqGFAAACHUlEQVR42u3bMXLCUAyE4VjjDs6SMtfgrLkGJWchXYoUbjKZMAPP" +
      "kp68+nfSBczwsZYx9lvu9+83Eh+DAGigCdBAA02ABpoADTTQBGigCdBAA02ABpoADTTQBGigCdAv5vPjHWgarVXnhFLTaBqtMp2B" +
      "TkUHmkYLzQ0aDbRcxw1TGs3o0K1zXNMXjcVC+aNgy+V669Xo59/wrBddxJa/5VR74HNVm9EJ1R57CcGDYaj18MYX4ZWzvmNk5+en" +
      "/PXOsdr7NyX+PdrF2mUjS5NF92NjxHGf6HJmOEDme1Dlt46kdIEeGB2+X1poNI0GmgDtPG0dx3T3Rl+ut5yfWK25chq3/pnhv7v/" +
      "I9aXHkyjx0/54qpt3YifcYywNoqcYx0+o8+n9dG/7l/hh4dt5u5R27+F2EafT+v2t/MxyUWOq7Z/o4fhEgo+MWsF4t9PV+W2Isru" +
      "2xFstDuNZLWtbAHFqm2VLZSs+T26PHRO3WRKbfXfv4Y1o6MwdH7FBEpNo6tCzyrX0UtNo4HuDD13/z309KDRQANNgAYaaAiABppE" +
      "Q8+9YHroy7U0Gujm0LP236Pf5kGjC0Pnl0vgriUaXRs6s2IaN+FZ8fcvc6sjo+MI0NF1U7pz18paiN0fvXqJOF45lVxdYdV0VNew" +
      "rO47O6uywqGHubWJo6D/2M1dOasP3VOTExaggSZAA02ABhpoAjTQBGiggSZAA02ABrpHfgDwo8pXYgBYugAAAABJRU5ErkJggg==",
  },
];
